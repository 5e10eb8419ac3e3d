"""The shared-memory channel between one client and one runtime: a ring each way, woken by kernel objects.

`ring` is the format in memory, `channel` carries messages over two rings, `linux` and `windows` are
what the operating system gives: memory that both sides map, and objects that wake a waiting process.
`messages` is what client and host say to each other over it.
"""
