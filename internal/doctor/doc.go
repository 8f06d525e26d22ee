// Package doctor measures what the path from here to a node does to Server-Sent Events, and names the line to change.
//
// Run first gathers what can be seen from outside, side by side; then each check judges that, as a function without side
// effects. Run is safe for concurrent use: runs share nothing.
package doctor
