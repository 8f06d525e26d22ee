package event_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

func TestDocument(t *testing.T) {
	d, err := event.ParseDocument([]byte(" {\"a\" :\r\n[1 , \"b,\\\"]\" ,{\"c\":[]}, null,true] ,\"\\u00e9\\\\\":-1.50e3,\"a\":{ } , \"\":\"\"}\n"))
	require.NoError(t, err)
	require.Equal(t, "object", d.Kind())
	var names, kinds []string
	var values []event.Document
	for name, value := range d.Members() {
		text, isString := name.Unquote()
		require.True(t, isString)
		names, kinds, values = append(names, text), append(kinds, value.Kind()), append(values, value)
	}
	require.Equal(t, []string{"a", `é\`, "a", ""}, names)
	require.Equal(t, []string{"array", "number", "object", "string"}, kinds)
	var elements []string
	for element := range values[0].Elements() {
		elements = append(elements, element.Kind()+" "+element.JSON().String())
	}
	require.Equal(t, []string{"number 1", `string "b,\"]"`, `object {"c":[]}`, "null " + "null", "bool true"}, elements)
	require.Equal(t, `[1 , "b,\"]" ,{"c":[]}, null,true]`, values[0].JSON().String(), "white space stays where no line ends")
	require.Equal(t, "-1.50e3", values[1].JSON().String())
	for range values[1].Members() {
		t.Error("a number has members")
	}
	for range d.Elements() {
		t.Error("an object has elements")
	}
	for name := range d.Members() {
		require.Equal(t, "string", name.Kind())
		break // whoever has seen enough may stop
	}
	for range values[0].Elements() {
		break
	}
	_, isString := values[0].Unquote()
	require.False(t, isString)
	text, isString := values[3].Unquote()
	require.True(t, isString)
	require.Empty(t, text)
	require.True(t, event.Document{}.IsZero())
	require.Empty(t, event.Document{}.Kind())
	require.False(t, values[3].IsNull())
}

func TestFieldsOfADocument(t *testing.T) {
	for text, why := range map[string]string{
		`[1]`: "invalid object: it is a JSON array", `{"a":1,"A":2}`: `unknown field "A"`, `{"a":1,"a":null}`: `the field "a" is there twice`,
		`{"a":1,"\u0061":2}`: "is there twice", `{"\ud800":1}`: "unknown field",
	} {
		d, err := event.ParseDocument([]byte(text))
		require.NoError(t, err)
		_, err = d.Fields("a", "b")
		require.True(t, refused(t, err), text)
		require.ErrorContains(t, err, why)
	}
	d, err := event.ParseDocument([]byte(`{"\u0062":null}`))
	require.NoError(t, err)
	fields, err := d.Fields("a", "b")
	require.NoError(t, err)
	require.Len(t, fields, 2)
	require.True(t, fields[0].IsZero())
	require.True(t, fields[1].IsNull())
}

// FuzzParseDocument checks that documents are taken apart as encoding/json does it.
func FuzzParseDocument(f *testing.F) {
	for _, seed := range []string{
		`[]`, ` [ ] `, `[1]`, `[1,[2,3],{"a":[4,5]}]`, `["a,b","]","\"","\\",",\\\""]`, "[\r\n1 ,\t{} ]", `[[[[]]],"[",{"}":"{"}]`,
		`{"a" : 1,"a":{"b":null}, "\u00e9\ud800":true}`, `"\ud83d\ude00"`, "\"\xff\"", `1e400`, `[`, "null",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := event.ParseDocument(bytes.Clone(b))
		if refused(t, err) {
			require.True(t, d.IsZero())
			return
		}
		require.Equal(t, compact(t, b), compact(t, d.JSON().Bytes()))
		var wanted []json.RawMessage
		var members map[string]json.RawMessage
		switch d.Kind() {
		case "array":
			require.NoError(t, json.Unmarshal(b, &wanted))
			n := 0
			for element := range d.Elements() {
				require.Equal(t, compact(t, wanted[n]), compact(t, element.JSON().Bytes()))
				n++
			}
			require.Len(t, wanted, n)
		case "object":
			require.NoError(t, json.Unmarshal(b, &members))
			found := make(map[string]string)
			for name, value := range d.Members() {
				text, isString := name.Unquote()
				require.True(t, isString)
				found[text] = compact(t, value.JSON().Bytes()) // the last of a name, as encoding/json has it
			}
			require.Len(t, members, len(found))
			for name, value := range members {
				require.Equal(t, compact(t, value), found[name])
			}
		case "string":
			var text string
			require.NoError(t, json.Unmarshal(b, &text))
			got, isString := d.Unquote()
			require.True(t, isString)
			require.Equal(t, text, got)
		case "null":
			require.True(t, d.IsNull())
		}
	})
}
