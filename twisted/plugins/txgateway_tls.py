"""Makes the endpoint string ``https:`` known to Twisted; the work is in ``txgateway.net.tls``."""

from txgateway.net.tls import HttpsParser

https = HttpsParser()
