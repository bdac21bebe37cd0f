"""Certificates and enrolment tokens: issuing, recording and revoking them."""
