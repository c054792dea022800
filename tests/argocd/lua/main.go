// Runs health scripts as Argo CD 3.5 does: on gopher-lua with the libraries base, table and package, `os` by require
// with its safe functions alone, and a second for each. Cases come as a JSON array on standard input, answers go as one
// to standard output.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

type testCase struct {
	Script string         `json:"script"`
	Object map[string]any `json:"object"`
	// What the clock shows, in Unix seconds; no `os` for none.
	Now *int64 `json:"now"`
	// Seconds east of UTC of the machine's own zone.
	Zone int `json:"zone"`
}

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	answers := []answer{}
	for _, each := range cases {
		answers = append(answers, run(each))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func run(given testCase) answer {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		state.Call(1, 0)
	}
	if given.Now != nil {
		state.PreloadModule(lua.OsLibName, clock(time.Unix(*given.Now, 0), time.FixedZone("local", given.Zone)))
	}
	patience, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(patience)
	state.SetGlobal("obj", value(state, given.Object))
	if err := state.DoString(given.Script); err != nil {
		return answer{Error: err.Error()}
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return answer{Error: "no table is returned"}
	}
	return answer{Status: text(table, "status"), Message: text(table, "message")}
}

func text(table *lua.LTable, name string) string {
	found, _ := table.RawGetString(name).(lua.LString)
	return string(found)
}

func value(state *lua.LState, given any) lua.LValue {
	switch known := given.(type) {
	case bool:
		return lua.LBool(known)
	case float64:
		return lua.LNumber(known)
	case string:
		return lua.LString(known)
	case []any:
		list := state.NewTable()
		for _, item := range known {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for name, member := range known {
			table.RawSetString(name, value(state, member))
		}
		return table
	}
	return lua.LNil
}

// clock is the `os` of health scripts: time and date alone, and a date of a given time is local even where UTC is asked.
func clock(now time.Time, zone *time.Location) lua.LGFunction {
	seconds := func(state *lua.LState) int {
		moment := now
		if state.GetTop() > 0 {
			table := state.CheckTable(1)
			field := func(name string) int {
				number, _ := table.RawGetString(name).(lua.LNumber)
				return int(number)
			}
			moment = time.Date(field("year"), time.Month(field("month")), field("day"),
				field("hour"), field("min"), field("sec"), 0, zone)
		}
		state.Push(lua.LNumber(moment.Unix()))
		return 1
	}
	date := func(state *lua.LState) int {
		format, moment := state.CheckString(1), now.In(zone)
		if strings.HasPrefix(format, "!") {
			format, moment = format[1:], now.UTC()
		}
		if state.GetTop() > 1 {
			moment = time.Unix(state.CheckInt64(2), 0).In(zone)
		}
		if format == "*t" {
			table := state.NewTable()
			for name, number := range map[string]int{"year": moment.Year(), "month": int(moment.Month()),
				"day": moment.Day(), "hour": moment.Hour(), "min": moment.Minute(), "sec": moment.Second()} {
				table.RawSetString(name, lua.LNumber(number))
			}
			state.Push(table)
			return 1
		}
		replaced := strings.NewReplacer("%Y", moment.Format("2006"), "%m", moment.Format("01"), "%d", moment.Format("02"),
			"%H", moment.Format("15"), "%M", moment.Format("04"), "%S", moment.Format("05"))
		state.Push(lua.LString(replaced.Replace(format)))
		return 1
	}
	return func(state *lua.LState) int {
		state.Push(state.SetFuncs(state.NewTable(), map[string]lua.LGFunction{"time": seconds, "date": date}))
		return 1
	}
}
