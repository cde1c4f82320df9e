"""Running programs that nobody has read: each in a process that can compute, and do nothing else.

`seal` and `cell` run inside such a process, on the standard library alone; `isolation` and `running` outside.
"""
