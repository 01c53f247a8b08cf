"""The only place that knows an architecture: build, load, which parts train."""
