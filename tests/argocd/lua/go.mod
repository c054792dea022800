module health

go 1.18

require github.com/yuin/gopher-lua v1.1.1
