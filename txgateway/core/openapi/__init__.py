"""The OpenAPI document of a mapping: requests, answers, and rules as far as JSON Schema goes."""
