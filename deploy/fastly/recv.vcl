# edgewarden, vcl_recv snippet: priority 5, before anything that looks at the client.
#
# Only at the first hop. With shielding this VCL runs again at the shield, where client.ip is another Fastly node; after a
# restart it would judge the same request twice.
declare local var.edgewarden_now INTEGER;
declare local var.edgewarden_until INTEGER;
declare local var.edgewarden_address STRING;
if (fastly.ff.visits_this_service == 0 && req.restarts == 0) {
  # Request headers are the only variables that cross subroutines. A client that sends one of ours would write into its own
  # log line, and vanish from detection: they go first, one by one (a test knows all names; falco reads no wildcard here).
  unset req.http.X-Edgewarden-Request-Id;
  unset req.http.X-Edgewarden-Blocked;
  unset req.http.X-Edgewarden-Would-Block;
  unset req.http.X-Edgewarden-Claims-Other-IP;

  # Fastly sets Fastly-Client-IP only when the client sent none; formats that log it (%h) would let anyone accuse anyone.
  set var.edgewarden_address = client.ip;
  if (req.http.Fastly-Client-IP && req.http.Fastly-Client-IP != var.edgewarden_address) {
    set req.http.X-Edgewarden-Claims-Other-IP = "1"; # logged, never refused: a proxy in front of Fastly sends it too
  }
  set req.http.Fastly-Client-IP = var.edgewarden_address;
  set req.http.X-Edgewarden-Request-Id = uuid.version4();

  # An exemption is asked first, so that unblock works at once and a blocked network never reaches an allowlisted host.
  if (client.ip !~ edgewarden_exempt) {
    # Fastly's entries have no expiry. Blocks hold only while the lease does: if the blocker dies, they end by themselves.
    set var.edgewarden_now = std.atoi(now.sec);
    set var.edgewarden_until = std.atoi(table.lookup(edgewarden_control, "enforce_until", "0"));
    if (var.edgewarden_now < var.edgewarden_until && (client.ip ~ edgewarden_1 || client.ip ~ edgewarden_2)) {
      set req.http.X-Edgewarden-Blocked = "1";
      error 618 "edgewarden";
    } else if (client.ip ~ edgewarden_shadow) {
      set req.http.X-Edgewarden-Would-Block = "1"; # logged, never refused
    }
  }
}
