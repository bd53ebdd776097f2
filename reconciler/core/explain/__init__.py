"""Why a team can or cannot call a model, and how configs compare."""
