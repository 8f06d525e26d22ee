// Tokens prints a reader's token, for trying out how a backend issues one.
package main

import (
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// readerToken returns a token for somebody whom you have logged in: user and session are yours, never taken from the request.
func readerToken(secret []byte, user, session string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, nil)
	if err != nil {
		return "", fmt.Errorf("make signer: %w", err)
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer:   "pushstream",
		Audience: jwt.Audience{"pushstream"},
		Subject:  user,
		IssuedAt: jwt.NewNumericDate(now),
		Expiry:   jwt.NewNumericDate(now.Add(15 * time.Minute)),
		ID:       rand.Text(),
	}).Claims(map[string]any{
		"sid":        session,
		"pushstream": map[string]any{"subscribe": []string{"topic:news"}},
	}).Serialize()
}

func main() {
	token, err := readerToken([]byte(os.Getenv("PUSHSTREAM_AUTH_SECRET")), "alice", "session-1")
	if err != nil {
		log.Fatal(err)
	}
	if _, err = fmt.Fprintln(os.Stdout, token); err != nil {
		log.Fatal(err)
	}
}
