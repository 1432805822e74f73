"""Clients and brokers that no one here wrote."""
