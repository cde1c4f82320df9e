"""Any OpenAI-compatible server: calls that are capped, recorded and never bought twice."""

from heedful.models.endpoint.client import Endpoint
from heedful.models.endpoint.journal import Journal, Spending
from heedful.models.endpoint.requests import Answer, Prices, Request, Sampling

__all__ = ["Answer", "Endpoint", "Journal", "Prices", "Request", "Sampling", "Spending"]
