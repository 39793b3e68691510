"""The report: the whole homework, run from end to end and written down as pages, figures and numbers.

Read it in the order in which it runs.  First `mnist`: our images, whatever else is called `data`; `setup`: options,
data, network, images; and `records`: what travels from those who find something to those who show it.  Then the
experiments `one_image`, `image_sets`, `glasses` and `detection`, which do not know each other, `proof_jobs`, the proofs
that run beside them, and `defence`, which reads what was measured once.  Then what a reader sees, made of the records
alone: `results`, the numbers of `results.json`; `figures` and `curves`, drawn by `plots` and `panels`; `wording`,
`defence_words`, `tables` and `formats`, which `page` puts into `template.html`; `play` with `play.html`; `write`, the
folder.  Last the commands: `command_line`, what they share, and `cli`, which loads the one that is called:
`report_command`, where all of these meet, with `summary`, what it prints; `prove_command` with `prove_options`, `prove`
and `decisions` (with `verdict_log`), which do not know each other; `check_command`, `compare_command`, `slides`.
`workers` with `pool`, `interrupt` and `progress` serve all.  This wing may import every other one, `data` too, and
nothing may import this wing.  Only `plots` loads matplotlib, so it is imported inside the functions that draw.
"""
