"""The lab: demo, simulation and reports on one machine. The only package that knows both sides."""
