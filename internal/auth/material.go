package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	leastRSA = 2048 // bits (RFC 7518, section 3.3)
	mostRSA  = 8192 // bits: each verification takes time that grows with them
	// maxFile is the most bytes of a file that has a key.
	maxFile = 64 << 10
)

func allAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

func algorithmNames(algorithms []jose.SignatureAlgorithm) string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}

// fits reports whether a key is one for the algorithm, and strong enough for it.
func fits(material any, alg jose.SignatureAlgorithm) bool {
	switch k := material.(type) {
	case []byte:
		size := hashSize(alg)
		return size > 0 && len(k) >= size
	case *rsa.PublicKey:
		return k.N.BitLen() >= leastRSA && k.N.BitLen() <= mostRSA && slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}, alg)
	case *ecdsa.PublicKey:
		curve := curveOf(alg)
		return curve != nil && k.Curve == curve
	case ed25519.PublicKey:
		return alg == jose.EdDSA && len(k) == ed25519.PublicKeySize
	default:
		return false
	}
}

// hashSize returns how long a secret has to be at least (RFC 7518, section 3.2), 0 for algorithms that need another key.
func hashSize(alg jose.SignatureAlgorithm) int {
	switch alg {
	case jose.HS256:
		return 32
	case jose.HS384:
		return 48
	case jose.HS512:
		return 64
	default:
		return 0
	}
}

// curveOf returns the algorithm's curve (RFC 7518, section 3.4), nil for algorithms that need another key.
func curveOf(alg jose.SignatureAlgorithm) elliptic.Curve {
	switch alg {
	case jose.ES256:
		return elliptic.P256()
	case jose.ES384:
		return elliptic.P384()
	case jose.ES512:
		return elliptic.P521()
	default:
		return nil
	}
}

// reader reads files that have keys.
type reader func(name string) ([]byte, error)

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the configuration names it
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes, and is no key", event.Quote(name), maxFile)
	}
	return body, nil
}

// text reads a file that has one line.
func (r reader) text(name string) (string, error) {
	body, err := r(name)
	return strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r"), err
}

// source returns where the issuer's keys come from; nil where that is wrong or a file that is left alone.
func (i Issuer) source(path string, algorithms []jose.SignatureAlgorithm, read reader, f *faults) source {
	setting, err := only(map[string]string{
		"secret": string(i.Secret), "secret_file": i.SecretFile, "public_key": i.PublicKey, "public_key_file": i.PublicKeyFile, "jwks": i.JWKS,
	})
	if err != nil {
		f.add(path, "%v", err)
		return nil
	}
	if setting == "jwks" {
		if err = checkURL(i.JWKS); err != nil {
			f.add(path+".jwks", "%v", err)
		}
		for _, alg := range algorithms {
			if strings.HasPrefix(string(alg), "HS") {
				f.add(path+".algorithms", "%s needs a secret, and a published key is none", alg)
			}
		}
		return newKeySet(i.Issuer, i.JWKS)
	}
	if read == nil && strings.HasSuffix(setting, "_file") {
		return nil
	}
	material, err := i.material(setting, read)
	if err != nil {
		f.add(path+"."+setting, "%v", err)
		return nil
	}
	for _, alg := range algorithms {
		if !fits(material, alg) {
			f.add(path+".algorithms", "%s does not fit %s", alg, describe(material))
		}
	}
	return fixed{&key{material: material}}
}

func (i Issuer) material(setting string, read reader) (any, error) {
	switch setting {
	case "secret":
		return parseSecret(string(i.Secret))
	case "secret_file":
		text, err := read.text(i.SecretFile)
		if err != nil {
			return nil, err
		}
		return parseSecret(text)
	case "public_key":
		return parsePublicKey([]byte(i.PublicKey))
	default:
		body, err := read(i.PublicKeyFile)
		if err != nil {
			return nil, err
		}
		return parsePublicKey(body)
	}
}

func parseSecret(s string) ([]byte, error) {
	if len(s) < leastSecret || len(s) > mostSecret {
		return nil, fmt.Errorf("it has %d bytes, allowed are %d to %d; `openssl rand -hex 32` makes one", len(s), leastSecret, mostSecret)
	}
	if strings.HasPrefix(s, "-----BEGIN ") {
		return nil, errors.New("it is a PEM text; a public key is no secret: set public_key")
	}
	return []byte(s), nil
}

func parsePublicKey(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("it is not PEM: -----BEGIN PUBLIC KEY----- and so on")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("it is a private key, which nobody but the issuer should have; give the public one")
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("there is something behind the key; give one key")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("the PEM has %s; give a PUBLIC KEY", event.Quote(block.Type))
	}
	if err != nil {
		return nil, errors.New("the key in the PEM cannot be read")
	}
	if !slices.ContainsFunc(allAlgorithms(), func(alg jose.SignatureAlgorithm) bool { return fits(parsed, alg) }) {
		return nil, fmt.Errorf("%s is not of use: RSA has to have %d to %d bits, ECDSA one of the curves P-256, P-384 and P-521; or Ed25519", describe(parsed), leastRSA, mostRSA)
	}
	return parsed, nil
}

// describe says what kind of key this is.
func describe(material any) string {
	switch k := material.(type) {
	case []byte:
		return fmt.Sprintf("a secret of %d bytes", len(k))
	case *rsa.PublicKey:
		return fmt.Sprintf("an RSA key of %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "an ECDSA key on " + k.Params().Name
	case ed25519.PublicKey:
		return "an Ed25519 key"
	default:
		return "a key of another kind"
	}
}

// staticKey is a publisher's.
type staticKey struct {
	name    string
	digest  [sha256.Size]byte
	known   bool
	tenant  event.Tenant
	publish Grants
}

func digestOf(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// find returns the key that a text is. How long it takes tells nothing of the keys: all are compared, by digests of one
// length.
func find(keys []staticKey, text string) (found staticKey, ok bool) {
	digest := digestOf(text)
	at := -1
	for i := range keys {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], keys[i].digest[:]), i, at)
	}
	if at < 0 {
		return staticKey{}, false
	}
	return keys[at], true
}
