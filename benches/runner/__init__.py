"""The side-by-side runs behind `benches/data-path`.

Read in this order: `command` (what can be asked for), `sections` and its modules (what is measured, one
function per figure of `RESULTS.md`), `bench` (rounds, medians, ratios), `programs` (processes and their
ends), `store` (files and tables), `machine` (what the figures hold for).
"""
