"""The product's main job, played and checked on one machine.

`steps` say what is shown, in order; `office`, `cloud` and `artifacts` build what they are shown on; `report` prints a
line a step with its evidence. Nothing outside the demo's own namespaces is touched, and all it starts it stops.
"""
