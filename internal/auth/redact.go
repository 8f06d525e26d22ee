package auth

import (
	"fmt"
	"log/slog"

	"github.com/pushstream/pushstream/internal/secret"
)

// String shows all but secrets.
func (c Config) String() string {
	type plain Config // without this method
	c.Secret = secret.Text(c.Secret).String()
	return fmt.Sprintf("%+v", plain(c))
}

// GoString keeps secrets out of %#v.
func (c Config) GoString() string { return "auth.Config" + c.String() }

// LogValue keeps secrets out of logs.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
