// Gives each page view an `_id`, by encoding/json; with `keep`, lets records pass.
package main

import (
	"strconv"

	"edgemill"
)

type config struct {
	Keep bool `json:"keep"`
}

type view struct {
	ID       string `json:"_id"`
	ViewTime int64  `json:"viewtime"`
	UserID   string `json:"userid"`
	PageID   string `json:"pageid"`
}

func init() {
	edgemill.Configure(func(given config) (edgemill.Transform, error) { return given, nil })
}

func main() {}

func (c config) Transform(record *edgemill.Record, out *edgemill.Outputs) error {
	if c.Keep {
		out.Keep()
		return nil
	}
	if record.Value == nil {
		return nil
	}
	var row view
	if err := record.JSON(&row); err != nil {
		return err
	}
	row.ID = row.UserID + "|" + row.PageID + "|" + strconv.FormatInt(row.ViewTime, 10)
	return out.Emit().SetJSON(&row)
}
