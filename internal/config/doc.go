// Package config holds every setting of a node in one tree, and fills it from the defaults, a YAML file, the environment
// and the command line, each of which overrides those before it.
//
// A setting has the same words everywhere: limits.connections is limits: {connections: ...} in YAML,
// PUSHSTREAM_LIMITS_CONNECTIONS in the environment and --limits-connections on the command line. One table says what there
// is; the flags, the help, the printed configuration and the reference in docs are all made from it.
//
// A Config is a value: once loaded, nothing changes it, and it may be shared freely.
package config
