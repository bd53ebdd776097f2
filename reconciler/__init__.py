"""GitOps for LLM gateways: YAML -> State -> Change -> Plan -> Step -> Outcome.

`reconciler.pipeline` holds the whole product as a few functions; `reconciler.core` is pure.
"""

__version__ = "0.1.0"
