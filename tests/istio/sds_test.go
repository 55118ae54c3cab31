package istio

import (
	"encoding/pem"
	"net"
	"strings"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
)

// sds serves a proxy its identity, as Istio's agent does.
type sds struct {
	secret.UnimplementedSecretDiscoveryServiceServer
	resources map[string]*anypb.Any
}

// Starts one and returns its address.
func startSDS(t *testing.T, authority *authority, namespace, serviceAccount string) string {
	t.Helper()
	chain, key := pemOf(t, authority.identity(t, namespace, serviceAccount))
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.certificate.Raw})
	secrets := []*tlsv3.Secret{
		{Name: "default", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(chain), PrivateKey: inline(key),
		}}},
		{Name: "ROOTCA", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inline(root),
		}}},
	}
	server := &sds{resources: map[string]*anypb.Any{}}
	for _, secret := range secrets {
		resource, err := anypb.New(secret)
		if err != nil {
			t.Fatal(err)
		}
		server.resources[secret.Name] = resource
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	secret.RegisterSecretDiscoveryServiceServer(grpcServer, server)
	go grpcServer.Serve(listener)
	t.Cleanup(grpcServer.Stop)
	return listener.Addr().String()
}

func (s *sds) StreamSecrets(stream secret.SecretDiscoveryService_StreamSecretsServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if request.ResponseNonce != "" {
			continue
		}
		response := &discovery.DiscoveryResponse{TypeUrl: request.TypeUrl, VersionInfo: "1", Nonce: "1"}
		for _, name := range request.ResourceNames {
			if strings.HasPrefix(name, "file-cert:") {
				response.Resources = append(response.Resources, ofFiles(name))
			} else if resource := s.resources[name]; resource != nil {
				response.Resources = append(response.Resources, resource)
			}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// ofFiles is the certificate of a gateway, named by its files.
func ofFiles(name string) *anypb.Any {
	chain, key, _ := strings.Cut(strings.TrimPrefix(name, "file-cert:"), "~")
	file := func(name string) *core.DataSource {
		return &core.DataSource{Specifier: &core.DataSource_Filename{Filename: name}}
	}
	resource, _ := anypb.New(&tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: file(chain), PrivateKey: file(key),
	}}})
	return resource
}

func inline(bytes []byte) *core.DataSource {
	return &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: bytes}}
}
