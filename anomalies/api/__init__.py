"""The surface for programs: the HTTP API, by the same filters, transitions and permissions as the desk.

A view here reads the request, asks the rooms below and says the result as JSON; it keeps no rule of its own.
"""
