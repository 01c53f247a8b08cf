"""Words: their normal form, lead-ins, hedges, statements. No type of answer is known here."""
