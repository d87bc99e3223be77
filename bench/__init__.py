"""The benchmark suite: gpudl beside other libraries, on the same inputs, in one run.

`python -m bench` in the repository, or `gpudl bench`. What is measured is in `workloads.py` and
`models.py`, who is measured in `adapters/`, how in `turns.py` and `worker.py`.
"""
