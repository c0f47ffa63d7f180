package edgemill

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

type order struct {
	ID     string  `json:"id"`
	Amount float64 `json:"amount"`
}

// orders sets all that can be set, some of it twice.
func orders(record *Record, out *Outputs) error {
	if record.Value == nil {
		out.Keep()
		return nil
	}
	var one order
	if err := record.JSON(&one); err != nil {
		return Reject("not-json", "\xff%v", err)
	}
	if one.Amount < 0 {
		out.Keep()
		return errors.New("negative")
	}
	output := out.Emit().SetKey([]byte("gone")).SetKey([]byte(one.ID)).SetTimestamp(1).SetTimestamp(2)
	output.SetRoute("gone").SetRoute("audit").AddHeader("new", nil).RemoveHeader("h").AddHeader("last", []byte{})
	output.SetText("gone").SetValue(nil)
	if _, err := output.WriteString("twice "); err != nil {
		return err
	}
	_, err := output.Write([]byte(one.ID))
	return err
}

func TestWhatIsNotSetStaysAndWhatIsSetTwiceIsSetOnce(t *testing.T) {
	Run(orders)
	harness, err := NewHarness("null")
	if err != nil {
		t.Fatal(err)
	}
	headers := []Header{{"h", []byte("1")}, {"g", nil}, {"h", []byte("3")}}
	results := harness.Run(
		Input{Key: []byte("k"), Timestamp: 5},
		Input{Value: []byte(`{"id":"a","amount":1}`), Headers: headers},
		Input{Value: []byte(`{"id":"b","amount":-1}`), Headers: headers},
		Input{Value: []byte(`{`)},
		Input{Headers: headers},
	)
	want := []Result{
		{Origin: 0, Key: []byte("k"), Timestamp: 5},
		{1, []byte("a"), []byte("twice a"), []Header{{"g", nil}, {"new", nil}, {"last", []byte{}}}, 2, "audit"},
		{Origin: 4, Headers: headers, Timestamp: -1},
	}
	if !reflect.DeepEqual(results.Outputs, want) {
		t.Errorf("%+v", results.Outputs)
	}
	rejects := []RejectResult{{2, "error", "negative"}, {3, "not-json", "\uFFFDunexpected end of JSON input"}}
	if !reflect.DeepEqual(results.Rejects, rejects) {
		t.Errorf("%+v", results.Rejects)
	}
}

func TestNothingIsMovedWhereAllIsKept(t *testing.T) {
	Run(func(record *Record, out *Outputs) error {
		if record.Offset != 1 {
			out.Keep()
		}
		return nil
	})
	harness, _ := NewHarness("null")
	results := harness.RunTexts("a", "b", "c")
	if len(results.Outputs) != 2 || harness.outputs.touched != 0 || len(harness.outputs.values.lengths) != 0 {
		t.Errorf("%+v", harness.outputs)
	}
}

func TestARecordIsRead(t *testing.T) {
	Run(func(record *Record, out *Outputs) error {
		last, ok := record.Header("h")
		when, timed := record.Time()
		_, none := record.Header("none")
		if !ok || string(last.Value) != "3" || none || !timed || !when.Equal(time.Unix(1, 5e6)) {
			return errors.New("not what was given")
		}
		for header := range record.Headers() {
			out.Emit().SetText(header.Name)
		}
		return nil
	})
	harness, _ := NewHarness("null")
	results := harness.Run(Input{Timestamp: 1005, Headers: []Header{{"h", nil}, {"g", nil}, {"h", []byte("3")}}})
	if !reflect.DeepEqual(results.Texts(), []string{"h", "g", "h"}) {
		t.Errorf("%+v", results)
	}
}

func TestAConfigurationThatDoesNotFitIsRefused(t *testing.T) {
	Configure(func(limit struct {
		Most int `json:"most"`
	}) (Transform, error) {
		if limit.Most <= 0 {
			return nil, errors.New("most must be above 0")
		}
		return Func(orders), nil
	})
	for config, why := range map[string]string{
		`{"most":0}`:   "most must be above 0",
		`{"most":"1"}`: "the configuration does not fit: json: cannot unmarshal string into Go struct field .most of type int",
		`{`:            "the configuration does not fit: unexpected end of JSON input",
	} {
		if _, err := NewHarness(config); err == nil || err.Error() != why {
			t.Errorf("%s: %v", config, err)
		}
	}
}
