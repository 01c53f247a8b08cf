"""The processes of a stage: who starts them, what each runs. What a stage does lives in stages/."""
