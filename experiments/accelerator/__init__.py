"""Does mfjax work on this accelerator, and how near is it to the hardware's limit: `python -m experiments.accelerator`.

study: the options, the order and the table. ledger: lines, written down one by one, within a budget of seconds.
correctness: against float64 and the bits of the CPU. limits: what the device can do. sweeps, programs: ALS; BPR,
evaluation, and many models at once. peers: the library implicit on the same device.
"""
