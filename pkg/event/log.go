package event

// MaxTenant is the most bytes that a tenant's name may have.
const MaxTenant = 64

// Tenant is an isolated namespace. It comes from a credential, never from a target. Tenants are comparable.
type Tenant struct {
	name string
}

// DefaultTenant is the tenant of a deployment that has only one.
func DefaultTenant() Tenant { return Tenant{name: "default"} }

// ParseTenant reads a name of 1 to MaxTenant characters A-Z a-z 0-9 - _ and "."; the error wraps ErrInvalid.
func ParseTenant(s string) (Tenant, error) {
	if s == "" || len(s) > MaxTenant {
		return Tenant{}, invalidf("tenant", "the name has %d bytes, allowed are 1 to %d", len(s), MaxTenant)
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return Tenant{}, invalidf("tenant", "%s: only A-Z a-z 0-9 - _ . are allowed", Quote(s))
		}
	}
	return Tenant{name: s}, nil
}

// String returns the tenant's name.
func (t Tenant) String() string { return t.name }

// LogName names the log of one target in one tenant, and the relay channel of the same name. It is comparable, so that no
// two names ever have to be joined with a separator.
type LogName struct {
	Tenant Tenant
	Target Target
}

// String returns "tenant/target", for logs and errors only: it is no key.
func (n LogName) String() string { return n.Tenant.name + "/" + n.Target.String() }

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
