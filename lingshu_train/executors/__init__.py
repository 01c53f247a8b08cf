"""Who does numbered jobs on more machines than one: datatrove's executors, over jobs of ours. What a job is stays elsewhere."""
