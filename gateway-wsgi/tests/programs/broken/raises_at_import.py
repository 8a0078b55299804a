"""Fails at line five."""



raise RuntimeError("no settings")
