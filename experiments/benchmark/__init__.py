"""Seconds and memory: `python -m experiments.benchmark`, and `.roofline` and `.scale` in it.

study, tasks, peers, plots: mfjax beside implicit and irspack. roofline: what share of the machine a sweep reaches.
scale, scale_worker: more devices, processes and interactions. timing, latency: how seconds are taken.
"""
