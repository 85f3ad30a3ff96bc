"""A desktop that shows notifications (org.freedesktop.Notifications on the session bus), for the browser tests.

Prints one JSON line when it is ready, then one for each notification that is shown or closed. A line `press ID` on
stdin presses that notification, as a person does.
"""

import json
import sys
import threading

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

NAME = "org.freedesktop.Notifications"
HERE = DBusAddress("/org/freedesktop/Notifications", interface=NAME)
bus = open_dbus_connection("SESSION")
one_at_a_time = threading.Lock()


def say(message):
    print(json.dumps(message), flush=True)


def send(message):
    with one_at_a_time:
        bus.send(message)


def press():
    for line in sys.stdin:
        send(new_signal(HERE, "ActionInvoked", "us", (int(line.split()[1]), "default")))


def answer(message, last):
    """The answer to one call, and the id that was given last."""
    member, body = message.header.fields[HeaderFields.member], message.body
    if member == "GetCapabilities":
        return new_method_return(message, "as", (["actions", "body", "persistence"],)), last
    if member == "GetServerInformation":
        return new_method_return(message, "ssss", ("tests", "tests", "1", "1.2")), last
    if member == "Notify":
        number = body[1] or last + 1
        say({"shown": number, "replaces": body[1], "title": body[3], "body": body[4]})
        return new_method_return(message, "u", (number,)), max(last, number)
    if member == "CloseNotification":
        say({"closed": body[0]})
    return new_method_return(message), last


bus.send_and_get_reply(message_bus.RequestName(NAME))
say({"ready": True})
threading.Thread(target=press, daemon=True).start()
given = 0
while True:
    call = bus.receive()
    if call.header.message_type == MessageType.method_call:
        reply, given = answer(call, given)
        send(reply)
