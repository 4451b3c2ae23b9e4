# edgewarden, vcl_error snippet: the page a blocked client sees. Put your own contact in.
if (obj.status == 618 && obj.response == "edgewarden") {
  set obj.status = 403;
  set obj.response = "Forbidden";
  set obj.http.Content-Type = "text/plain; charset=utf-8";
  set obj.http.Cache-Control = "no-store";
  synthetic "Your address was refused because of the number or kind of its requests." LF
    "If this is wrong, write to support@example.com and name this request: " req.http.X-Edgewarden-Request-Id LF;
  return(deliver);
}
