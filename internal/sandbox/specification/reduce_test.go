package specification

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// object is a JSON object of the specification.
type object = map[string]any

// reduce returns the specification without its prose: operations, parameters, schemas and the examples
// of request bodies. One line for each operation and schema keeps differences readable.
func reduce(full object) ([]byte, error) {
	info, _ := full["info"].(object)
	paths, _ := full["paths"].(object)
	components, _ := full["components"].(object)
	if info == nil || paths == nil || components == nil {
		return nil, fmt.Errorf("not an OpenAPI file: info, paths or components are missing")
	}
	out := object{
		"openapi": full["openapi"],
		"info":    object{"title": info["title"], "version": info["version"], "license": info["license"]},
	}
	lines := object{}
	for path, item := range paths {
		kept, _ := withoutProse(item, false).(object)
		given, _ := item.(object)
		for method := range kept {
			op, _ := kept[method].(object)
			from, _ := given[method].(object)
			if op != nil && from != nil {
				op["x-page"] = page(from)
			}
		}
		lines[path] = kept
	}
	out["paths"] = lines
	kept := object{}
	for _, kind := range []string{"schemas", "responses", "parameters", "headers", "examples"} {
		kept[kind] = withoutProse(components[kind], true)
	}
	out["components"] = kept
	return encode(out)
}

// page is the last part of the address of an operation in PandaDoc's reference. PandaDoc makes it from the
// summary.
func page(op object) string {
	if known, ok := op["x-page"].(string); ok {
		return known
	}
	summary, _ := op["summary"].(string)
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(summary), "-"), "-")
}

// withoutProse removes descriptions and keeps everything that has an effect. names means that the keys of value
// are names from the specification (of properties, for example), and not keywords.
func withoutProse(value any, names bool) any {
	switch v := value.(type) {
	case object:
		out := object{}
		for key, inner := range v {
			switch {
			case names:
				out[key] = withoutProse(inner, false)
			case key == "requestBody" || key == "value" || key == "enum" || key == "required":
				out[key] = bodyWithoutProse(key, inner)
			case strings.HasPrefix(key, "x-") || slices.Contains([]string{"description", "summary", "title", "tags", "externalDocs", "example", "examples", "servers"}, key):
			default:
				out[key] = withoutProse(inner, key == "properties" || key == "responses" || key == "headers" || key == "content" || key == "mapping")
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = withoutProse(inner, false)
		}
		return out
	}
	return value
}

// bodyWithoutProse keeps the examples of a request body. It keeps lists and values unchanged.
func bodyWithoutProse(key string, value any) any {
	body, _ := value.(object)
	if key != "requestBody" || body == nil {
		return value
	}
	out, _ := withoutProse(body, false).(object)
	content, _ := body["content"].(object)
	for media, inner := range content {
		given, _ := inner.(object)
		kept, _ := out["content"].(object)[media].(object)
		if given == nil || kept == nil {
			continue
		}
		if example, ok := given["example"]; ok {
			kept["examples"] = object{"example": object{"value": example}}
		}
		if examples, ok := given["examples"].(object); ok {
			list := object{}
			for name, example := range examples {
				list[name] = withoutProse(example, false)
			}
			kept["examples"] = list
		}
	}
	return out
}

// encode writes an object with one line for each member of its inner objects.
func encode(out object) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, key := range slices.Sorted(maps.Keys(out)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		inner, ok := out[key].(object)
		if !ok {
			if err := line(&b, "", key, out[key]); err != nil {
				return nil, err
			}
			continue
		}
		fmt.Fprintf(&b, "%q: {\n", key)
		for j, name := range slices.Sorted(maps.Keys(inner)) {
			if j > 0 {
				b.WriteString(",\n")
			}
			if group, ok := inner[name].(object); ok && (key == "components" || key == "paths") {
				if err := members(&b, name, group); err != nil {
					return nil, err
				}
				continue
			}
			if err := line(&b, "", name, inner[name]); err != nil {
				return nil, err
			}
		}
		b.WriteString("\n}")
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

func members(b *bytes.Buffer, name string, group object) error {
	fmt.Fprintf(b, "%q: {\n", name)
	for i, key := range slices.Sorted(maps.Keys(group)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		if err := line(b, "  ", key, group[key]); err != nil {
			return err
		}
	}
	b.WriteString("\n}")
	return nil
}

func line(b *bytes.Buffer, indent, key string, value any) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	name, err := json.Marshal(key)
	if err != nil {
		return err
	}
	b.WriteString(indent)
	b.Write(name)
	b.WriteString(": ")
	b.Write(bytes.TrimRight(raw.Bytes(), "\n"))
	return nil
}
