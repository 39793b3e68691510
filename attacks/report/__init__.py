"""The report: the whole homework, run from end to end and written down as pages, figures and numbers.

Read it in the order in which it runs.  First `setup`: options, data, network, images.  Then the experiments
`one_image`, `image_sets`, `glasses` and `detection`, which do not know each other; `proof_jobs`, the proofs that run
beside them; and `results`, which runs them all and has the numbers of `results.json`.  Then what a reader sees:
`figures` and `curves`, drawn by `plots` and `panels`; `wording`, `tables` and `formats`, which `page` puts into
`template.html`; `play` with `play.html`.  Last the commands: `write` and `cli`, and `prove`; `workers` and `progress`
serve both.  This wing may import every other one, `data` too, and nothing may import this wing.  Only `plots` loads
matplotlib, so it is imported inside the functions that draw.
"""
