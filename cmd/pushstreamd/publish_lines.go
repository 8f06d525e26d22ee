package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pushstream/pushstream/pkg/client"
)

// line is an event of a batch, or why it is none.
type line struct {
	number, bytes int
	event         client.Publication
	err           error
}

func parseLine(number int, text []byte) line {
	l := line{number: number, bytes: len(text)}
	if !utf8.Valid(text) {
		// encoding/json would put one and the same character for all that is not: into targets and keys too.
		l.err = errors.New("it is not UTF-8")
		return l
	}
	l.err = l.parse(text)
	return l
}

// input is the lines of standard input as they come. One is read ahead.
type input struct {
	lines chan line    // closed at the end
	rest  string       // what is to be said of what could not be read; to be looked at once lines is closed
	part  atomic.Int64 // the number of the line that has begun to come, 0 for none
}

// readLines begins to read.
func readLines(ctx context.Context, from io.Reader) *input {
	in := &input{lines: make(chan line)}
	go func() { // nobody joins it, since nothing interrupts a read: it ends with the input, or with the first line after ctx
		defer close(in.lines)
		in.read(ctx, from)
	}()
	return in
}

func (in *input) read(ctx context.Context, from io.Reader) {
	number := 0
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxInput)
	scanner.Split(func(data []byte, atEnd bool) (int, []byte, error) {
		advance, token, err := bufio.ScanLines(data, atEnd)
		if token != nil {
			number++
			in.part.Store(0)
		} else if len(data) > 0 {
			in.part.Store(int64(number) + 1)
		}
		return advance, token, err
	})
	for scanner.Scan() {
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		select {
		case in.lines <- parseLine(number, scanner.Bytes()):
		case <-ctx.Done():
			return
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		in.rest = fmt.Sprintf("line %d has %d bytes or more, which is too long: it was not published, and nothing behind it was tried", number+1, maxInput)
	case err != nil:
		in.rest = fmt.Sprintf("nothing behind line %d could be read: %v", number, err)
	}
}

// left says what a signal left behind: a line that has come already, or a part of one. It is nothing where the input ends, or
// pauses.
func (in *input) left() string {
	pause := time.NewTimer(batchWait)
	defer pause.Stop()
	var number int
	select {
	case l, more := <-in.lines:
		if !more {
			return in.rest
		}
		number = l.number
	case <-pause.C:
		number = int(in.part.Load())
	}
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("interrupted: line %d was not sent, and nothing behind it was tried", number)
}
