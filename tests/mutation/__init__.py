"""Mutation testing: which small changes to the core do the fast tests notice?"""
