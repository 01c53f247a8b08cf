"""One file for each auditor: who looks at an accepted answer again. `audit(sample, completion, params) -> Finding`."""
