"""What all tests share."""

from hypothesis import HealthCheck, settings

# How long a busy machine takes to make inputs says nothing of the code: what is tested decides, not the clock.
settings.register_profile("untimed", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
