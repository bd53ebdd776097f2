"""The steps of a plan and the order that takes nothing away from those who keep it."""
