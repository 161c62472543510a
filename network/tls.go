package network

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// alpn is the protocol's name in TLS handshakes.
const alpn = "lanecast/1"

var (
	errPeerCertificate = errors.New("network: the peer did not show exactly one Ed25519 certificate")
	errPeerProtocol    = errors.New("network: the peer does not speak " + alpn)
	errOwnKey          = errors.New("network: the peer has our own key")
)

// newTLSConfig returns the configuration of both sides of all handshakes. Records have the largest
// size on both classes: the side that accepts does not know the class yet.
func newTLSConfig(key crypto.Signer) (*tls.Config, error) {
	// Peers ignore names and dates; they look at the key alone.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: alpn},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("network: making a certificate with Key: %w", err)
	}
	own := publicKey(key)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{alpn},
		MinVersion:   tls.VersionTLS13,
		ClientAuth:   tls.RequireAnyClientCert,
		// No name or authority is verified: VerifyConnection checks the key.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			id, err := peerKey(&s)
			if err == nil && id == own {
				err = errOwnKey
			}
			return err
		},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}, nil
}

// peerKey returns the transport key with which the peer made the handshake.
func peerKey(s *tls.ConnectionState) (key wire.PublicKey, err error) {
	if s.Version != tls.VersionTLS13 || s.NegotiatedProtocol != alpn {
		return key, errPeerProtocol
	}
	if len(s.PeerCertificates) != 1 {
		return key, errPeerCertificate
	}
	k, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || len(k) != len(key) {
		return key, errPeerCertificate
	}
	return wire.PublicKey(k), nil
}
