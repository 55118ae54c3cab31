package istio

import (
	"net"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// names is the DNS of the cluster: it has a name for every pod of a headless Service.
type names struct {
	mutex   sync.Mutex
	records map[string]string
}

func startDNS(t *testing.T) *names {
	t.Helper()
	connection, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{records: map[string]string{}}
	server := &dns.Server{PacketConn: connection, Handler: dns.HandlerFunc(n.answer)}
	go server.ActivateAndServe()
	// Shutdown does nothing to a server that has not begun yet.
	t.Cleanup(func() { connection.Close() })
	return n
}

// set gives a name an address; with none, takes the name away.
func (n *names) set(name, address string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if address == "" {
		delete(n.records, name+".")
		return
	}
	n.records[name+"."] = address
}

func (n *names) answer(writer dns.ResponseWriter, request *dns.Msg) {
	response := new(dns.Msg)
	response.SetReply(request)
	n.mutex.Lock()
	address, found := n.records[request.Question[0].Name]
	n.mutex.Unlock()
	switch {
	case !found:
		response.Rcode = dns.RcodeNameError
	case request.Question[0].Qtype == dns.TypeA:
		// CoreDNS' own default is 5 s.
		header := dns.RR_Header{Name: request.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}
		response.Answer = []dns.RR{&dns.A{Hdr: header, A: net.ParseIP(address)}}
	}
	writer.WriteMsg(response)
}
