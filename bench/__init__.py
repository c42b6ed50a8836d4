"""What Runwire costs: five graphs on real processes, measured from outside, beside the floors of this machine.

`python -m bench` starts everything, runs the matrix and prints the tables. It measures; it never decides what is good.
"""
