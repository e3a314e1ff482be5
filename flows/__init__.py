"""The flows, each in a file of its own."""

from clients import variables

variables.forget()
variables.plain_umask()
