"""Certificates and enrolment tokens: the part that both sides need."""
