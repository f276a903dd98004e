// push.go ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/gomodule/redigo/redis"
)

func main() {
	conn, err := redis.DialURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	payload, _ := io.ReadAll(os.Stdin)
	id, err := redis.String(conn.Do("XADD", "rota:inbox", "NOMKSTREAM", "*",
		"org", os.Args[1], "type", os.Args[2], "key", os.Args[3], "payload", payload))
	if err != nil { // redis.ErrNil: no rota:inbox in this Redis
		log.Fatal(err)
	}
	fmt.Println(id)
}
