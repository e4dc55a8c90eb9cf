"""How far did a failed migration get, and how do we know?"""
