"""How data is got, one file for each `source.kind` of a card.

`offer(part)` says what would come, `permit(part)` whether a person must do something first, `fetch(job)` gets it. The first
two ask no server.
"""
