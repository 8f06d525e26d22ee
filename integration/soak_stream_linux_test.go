package integration_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

// goodbye is the block before a stream's end.
const goodbye = "pushstream.bye"

// soakStream is a stream that is read block by block.
type soakStream struct {
	*net.TCPConn
	*sse.Reader

	id string // of the last block
}

// open opens a stream with a token, or with what the query has.
func (s *soak) open(turn int, query, token, lastID string) (*soakStream, error) {
	var header []string
	if token != "" {
		header = append(header, "Authorization: Bearer "+token)
	}
	if lastID != "" {
		header = append(header, "Last-Event-ID: "+lastID)
	}
	s.counts.connects.Add(1)
	conn, body, err := dialStream(s.node(turn), query, header...)
	if err != nil {
		return nil, err
	}
	return &soakStream{TCPConn: conn, Reader: sse.NewReader(body, sse.NewDecoder(1<<20)), id: lastID}, nil
}

// openAs opens a stream with a new token, and again if that was over before a busy machine came to it.
func (s *soak) openAs(turn int, query, user string, life time.Duration, lastID string) (st *soakStream, err error) {
	for {
		expires := time.Now().Add(life)
		if st, err = s.open(turn, query, soakToken(user, life), lastID); err == nil || time.Now().Before(expires) {
			return st, err
		}
	}
}

// soakToken is a token of a user.
func soakToken(user string, life time.Duration) string {
	now := time.Now()
	claims := fmt.Sprintf(`{"iss":"pushstream","aud":"pushstream","sub":%q,"iat":%d,"exp":%.3f,"pushstream":{"subscribe":["topic:soak-*"]}}`,
		user, now.Unix(), float64(now.Add(life).UnixMilli())/1000)
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(authSecret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// next returns the next block that is not a ping. It has to come in time: without any, a ping would.
func (st *soakStream) next() (sse.Message, error) {
	for {
		if err := st.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return sse.Message{}, err
		}
		m, err := st.Next()
		if err != nil {
			return m, err
		}
		if m.ID != "" {
			st.id = m.ID
		}
		if m.Type != ping {
			return m, nil
		}
	}
}

// soakEvent is the data of an event.
type soakEvent struct {
	To string `json:"to"`
	N  int    `json:"n"`
}

// soakEventOf returns what an event says, if the block is one.
func soakEventOf(m sse.Message) (e soakEvent, ok bool) {
	ok = m.Type == "soak.event" && json.Unmarshal([]byte(m.Data), &e) == nil
	return e, ok
}

// said counts how a stream ended, and returns how soon to come back. Nobody waits for longer than a tenth of a unit: what a
// reader misses is not kept for much longer.
func (s *soak) said(user, data string) (wait time.Duration) {
	var bye struct {
		Reason      string `json:"reason"`
		ReconnectMs int    `json:"reconnect_ms"`
	}
	if err := json.Unmarshal([]byte(data), &bye); err != nil {
		s.fault("%s: a goodbye is %s", user, data)
	}
	switch bye.Reason {
	case "max_age":
		s.counts.endedByAge.Add(1)
	case "expired":
		s.counts.endedByExpiry.Add(1)
	default:
		s.fault("%s: the stream ended with %s", user, data)
	}
	return min(time.Duration(bye.ReconnectMs)*time.Millisecond, rand.N(s.unit/10))
}

// told returns the targets of a gap. There is one only where the reader's cursor is older than all logs have to be, which takes
// a short unit and a machine that is busy with other things.
func (s *soak) told(user string, m sse.Message) (targets []string) {
	var data struct {
		Targets []string `json:"targets"`
		Reason  string   `json:"reason"`
	}
	cursor, err := event.ParsePosition(m.ID)
	if err == nil {
		err = json.Unmarshal([]byte(m.Data), &data)
	}
	age := time.Since(time.UnixMilli(int64(cursor.Millis())))
	if err != nil || data.Reason != "expired" || age < s.unit {
		s.fault("%s got the gap %s with a cursor that is %v old: %v", user, m.Data, age, err)
	}
	s.counts.gaps.Add(1)
	return data.Targets
}
