"""The addresses of the original Driftlock server, over the same functions: its clients change an address.

Parameters, bodies and answers have the names of that server (``/v1/…``), whose database ``schema adopt``
takes over; docs/api.md lists what differs.
"""
