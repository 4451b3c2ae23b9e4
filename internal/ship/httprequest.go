package ship

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"edgewarden/internal/record"
)

// httpRequest writes the part that Logs Explorer shows as the summary.
func (w *wire) httpRequest(r *record.Record) {
	w.byte(tagOf(entryHTTPRequest, protowire.BytesType))
	m := w.begin()
	w.str(httpMethod, r.Method)
	w.requestURL(r)
	w.num(httpRequestSize, uint64(max(0, r.RequestBytes)))
	w.num(httpStatus, uint64(min(max(0, r.Status), 1<<15)))
	w.num(httpResponseSize, uint64(max(0, r.ResponseBytes)))
	w.str(httpUserAgent, r.UserAgent)
	w.str(httpRemoteIP, r.ClientIP)
	w.str(httpReferer, r.Referer)
	hit := strings.HasPrefix(r.Cache, "HIT")
	if hit {
		w.num(httpCacheHit, 1)
	}
	if hit || strings.HasPrefix(r.Cache, "MISS") {
		w.num(httpCacheLookup, 1)
	}
	if r.Present.Has(record.ElapsedUsec) && r.ElapsedUsec >= 0 {
		w.byte(tagOf(httpLatency, protowire.BytesType))
		m := w.short()
		w.moment(r.ElapsedUsec/1e6, r.ElapsedUsec%1e6*1000)
		w.shortEnd(m)
	}
	w.str(httpProtocol, r.Protocol)
	w.end(m)
}

// requestURL writes scheme, host, path and query. The scheme is left out when
// the line does not tell it: only our own format says that there was no TLS.
func (w *wire) requestURL(r *record.Record) {
	scheme := ""
	if r.Host != "" {
		switch {
		case r.TLSVersion != "":
			scheme = "https://"
		case r.Present.Has(record.FirstHop):
			scheme = "http://"
		default:
			scheme = "//"
		}
	}
	size := len(scheme) + len(r.Host) + len(r.Path) + len(r.Query)
	if r.Query != "" {
		size++
	}
	if size == 0 {
		return
	}
	w.byte(tagOf(httpURL, protowire.BytesType))
	w.varint(uint64(size))
	w.text(scheme)
	w.text(r.Host)
	w.text(r.Path)
	if r.Query != "" {
		w.byte('?')
		w.text(r.Query)
	}
}
