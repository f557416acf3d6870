// Swagger UI over the document of the served mapping; its requests go through the admin port.

const place = document.getElementById("swagger");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// The document says where the public port is; there the browser may not send to, but we may.
function throughHere(request) {
  const { pathname, search, origin } = new URL(request.url, window.location);
  if (origin === window.location.origin && pathname === new URL(place.dataset.document, origin).pathname) return request;
  request.url = `/ui/public${pathname}${search}`;
  request.headers = { ...request.headers, "tgw-try-it": "1" };
  return request;
}

fetch(place.dataset.document)
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`${answer.status}`))))
  .then((spec) => {
    if (place.dataset.public) spec.servers = [{ url: place.dataset.public, description: "the public port" }];
    window.SwaggerUIBundle({
      spec,
      domNode: place,
      deepLinking: true,
      docExpansion: "list",
      presets: [window.SwaggerUIBundle.presets.apis],
      requestInterceptor: throughHere,
      // What it shows is for the public port: so shall a copied command line be.
      showMutatedRequest: false,
      tryItOutEnabled: true,
      validatorUrl: null,
    });
  })
  .catch((error) => {
    place.textContent = `There is no document to show (${error.message}).`;
  });
