// Swagger UI over the document of the served mapping; its requests go through the admin port.

// Characters of a body that an address has room for.
const LONGEST = 4000;

const place = document.getElementById("swagger");
let last = null;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// A page has one main part, and that is ours.
const inner = () => place.querySelector("main:not([role])")?.setAttribute("role", "group");
new MutationObserver(inner).observe(place, { childList: true, subtree: true });

// The document says where the public port is; there the browser may not send to, but we may.
function throughHere(request) {
  const { pathname, search } = new URL(request.url, window.location);
  if (pathname === place.dataset.document) return request;
  last = { verb: request.method || "GET", target: `${pathname}${search}`, body: request.body, headers: request.headers };
  request.url = `/ui/public${pathname}${search}`;
  request.headers = { ...request.headers, "tgw-try-it": "1" };
  return request;
}

// What was tried last can be explained: so shall the way there be short.
function offer(response) {
  if (!last) return response;
  const type = Object.entries(last.headers ?? {}).find(([name]) => name.toLowerCase() === "content-type");
  const body = typeof last.body === "string" ? last.body : "";
  const asked = { verb: last.verb, target: last.target, headers: type ? type.join(": ") : "", body };
  const shown = document.getElementById("last");
  const link = shown.querySelector("a");
  shown.hidden = (last.body && !body) || body.length > LONGEST;
  shown.querySelector("span").textContent = `${last.verb} ${last.target} was answered with ${response.status}.`;
  link.href = `/ui/explain?${new URLSearchParams(asked)}`;
  return response;
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
      responseInterceptor: offer,
      // What it shows is for the public port: so shall a copied command line be.
      showMutatedRequest: false,
      tryItOutEnabled: true,
      validatorUrl: null,
    });
  })
  .catch((error) => {
    place.textContent = `There is no document to show (${error.message}).`;
  });
